-- Counts by which the data of these months is judged, in one row.
select
    count(*) as flights,
    sum(case when status = 'flown' and (delay is null or arrival_delay is null) then 1 else 0 end) as without_delay,
    sum(case when airlines.carrier is null then 1 else 0 end) as without_airline,
    avg(case when planes.tailnum is null then 1.0 else 0.0 end) as without_plane,
    avg(case when weather.origin is null then 1.0 else 0.0 end) as without_weather,
    (
        select count(*)
        from (
            select month, day, carrier, flight, origin, hour
            from flights
            where month in ({{ params.months }})
            group by month, day, carrier, flight, origin, hour
            having count(*) > 1
        ) as twice
    ) as repeated
from flights
left join airlines on airlines.carrier = flights.carrier
left join planes on planes.tailnum = flights.tailnum
left join weather
    on weather.origin = flights.origin
    and weather.month = flights.month
    and weather.day = flights.day
    and weather.hour = flights.hour
where flights.month in ({{ params.months }});
