create table users (
    id integer primary key,
    email text not null unique,
    name text not null,
    registered_at text not null
) strict;
