"""From the text of a pipeline file to the model of a pipeline, or to all that is wrong with it."""
