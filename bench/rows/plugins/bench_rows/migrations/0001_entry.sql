create table entry (id integer primary key, account integer not null, text text not null, cents integer not null);
create index entry_by_account on entry (account);
