create table orders (
    id integer primary key,
    user_id integer not null,
    sku text not null,
    qty integer not null check (qty > 0),
    total_cents integer not null,
    placed_at text not null
) strict;

create index orders_by_user on orders(user_id, id);
