select *
from flights
where day = '{{ params.day }}'
  and carrier in ({{ tasks.gone.output }})
  and delay > {{ params.dely }}
