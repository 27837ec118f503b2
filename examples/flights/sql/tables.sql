-- A row for each planned flight. Delays are minutes, negative where it was early, and null where it did not fly.
create table if not exists flights (
    month integer not null,
    day integer not null,
    weekday integer not null,  -- 1 is Monday
    hour integer not null,  -- of the planned departure
    carrier text not null,
    flight integer not null,
    tailnum text,
    origin text not null,
    dest text not null,
    distance integer not null,  -- miles
    status text not null,  -- flown, cancelled or diverted
    delay integer,
    arrival_delay integer
);
