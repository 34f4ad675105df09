-- So that of two who change a video at the same time one is told.
alter table video add column version integer not null default 1;
