-- What is known before a flight leaves, and whether it left late. Every fifth day is held back: a model is judged by
-- days that it has not seen, since flights of one day share their weather and their jams.
select
    case when flown.delay > {{ params.late_after }} then 1 else 0 end as late,
    case when flown.day % 5 = 0 then 1 else 0 end as held_back,
    flown.day,
    flown.carrier,
    flown.origin,
    flown.weekday,
    flown.hour,
    flown.distance,
    planes.seats,
    2013 - planes.year as age,
    weather.temp,
    weather.humid,
    weather.wind_speed,
    weather.precip,
    weather.visib
from flown
left join planes on planes.tailnum = flown.tailnum
left join weather
    on weather.origin = flown.origin
    and weather.month = flown.month
    and weather.day = flown.day
    and weather.hour = flown.hour
where flown.month in ({{ params.months }})
order by flown.month, flown.day, flown.hour, flown.carrier, flown.flight, flown.origin;
