create table rows (i integer primary key);
