select
    month,
    count(*) as planned,
    sum(case when status = 'cancelled' then 1 else 0 end) as cancelled,
    sum(case when status = 'diverted' then 1 else 0 end) as diverted,
    sum(case when status = 'flown' then 1 else 0 end) as flown
from flights
where month in ({{ params.months }})
group by month
order by month;
