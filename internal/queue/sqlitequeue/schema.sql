-- A task is ready, delayed (until due), taken (its lease ends at due), or dead. Times are milliseconds of the Unix epoch.
create table task (
  id       integer primary key autoincrement,
  body     text    not null,
  state    text    not null check (state in ('ready', 'delayed', 'taken', 'dead')),
  attempts integer not null default 0,
  lease    integer not null default 0, -- the fencing token: grows with each delivery
  due      integer not null default 0,
  enqueued integer not null,
  cause    text    not null default '',
  died     integer not null default 0
) strict;
-- One small index for each question that is asked all the time: which is next, what is due, what is dead.
create index task_ready on task (id) where state = 'ready';
create index task_due on task (due) where state in ('delayed', 'taken');
create index task_dead on task (died, id) where state = 'dead';
create index task_waiting on task (enqueued) where state in ('ready', 'delayed');
