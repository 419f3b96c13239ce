create table orders (
    id integer primary key,
    user_id integer not null,
    sku text not null,
    qty integer not null,
    total_cents integer not null
);
