"""A pipeline made by Python: as many tasks as there are texts, and edges by using what another task gives.

pipectl run generated.py
pipectl run generated.py -p least=3
python generated.py
"""

from pipectl import Pipeline, task

TEXTS = {
    "pangram": "the quick brown fox jumps over the lazy dog",
    "proverb": "many hands make light work",
    "greeting": "good morning",
}


@task
def count(text):
    words = text.split()
    return {"words": len(words), "longest": max(words, key=len)}


# Keys of the file language are keyword arguments.
@task(expect="output.words > 0", description="Adds up what the others counted")
def total(counts, least):
    chosen = [one for one in counts if one["words"] >= least]
    return {"texts": len(chosen), "words": sum(one["words"] for one in chosen)}


with Pipeline("generated", params={"least": 1}) as pipeline:
    # Called in here a function is a task, which runs later, in a process of its own.
    counted = [count.options(f"count_{name}")(text) for name, text in TEXTS.items()]
    summary = total(counted, least="{{ params.least }}")
    tell = pipeline.shell("tell", ["echo", summary.output.words, "words"])
    clean_up = pipeline.shell("clean_up", 'rm -rf "$PIPECTL_RUN_DIR"/*', trigger="always")
    tell >> clean_up

if __name__ == "__main__":
    # To the tasks this file is a module: what runs the pipeline stands apart.
    result = pipeline.run(params={"least": 3})
    print(result.state, result.output("total"))
