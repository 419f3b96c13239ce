-- The database every peer but Pinion starts from; Pinion's plugins bring the same tables as
-- migrations.
pragma journal_mode = wal;
create table users (id integer primary key, name text not null, email text not null);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000)
insert into users select i, 'User ' || i, 'user' || i || '@example.com' from n;
create table orders (
    id integer primary key,
    user_id integer not null,
    sku text not null,
    qty integer not null,
    total_cents integer not null
);
