create table row (id integer primary key, name text not null);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 400000)
insert into row select i, 'row ' || i from n;
