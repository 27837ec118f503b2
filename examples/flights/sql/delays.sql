-- How late flights left, by one of their columns: env.BY says which. The name of a column cannot be a bound value;
-- `identifier` quotes it. A list becomes as many bound values as it has items.
with ranked as (
    select
        {{ env.BY | identifier }} as name,
        delay,
        arrival_delay,
        count(*) over (partition by {{ env.BY | identifier }}) as flights,
        row_number() over (partition by {{ env.BY | identifier }} order by delay) as place
    from flown
    where month in ({{ params.months }})
)

select
    name,
    max(flights) as flights,
    avg(delay) as mean,
    avg(case when 2 * place between flights and flights + 2 then delay end) as median,
    min(case when 10 * place >= 9 * flights then delay end) as ninth_decile,  -- nine of ten left at most this late
    avg(case when delay > {{ params.late_after }} then 1.0 else 0.0 end) as late_share,
    avg(arrival_delay) as mean_arrival
from ranked
group by name
order by name;
