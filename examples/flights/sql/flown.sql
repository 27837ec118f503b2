-- What is measured: flights that left and arrived, with the name of their airline.
drop view if exists flown;

create view flown as
select flights.*, coalesce(airlines.name, flights.carrier) as airline
from flights
left join airlines on airlines.carrier = flights.carrier
where flights.status = 'flown';
