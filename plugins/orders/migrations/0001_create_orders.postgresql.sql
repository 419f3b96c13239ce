create table orders (
    id bigint generated always as identity primary key,
    user_id bigint not null,
    sku text not null,
    qty bigint not null check (qty > 0),
    total_cents bigint not null,
    placed_at text not null
);

create index orders_by_user on orders(user_id, id);
