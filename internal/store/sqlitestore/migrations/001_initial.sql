-- Times are milliseconds of the Unix epoch, 0 where unknown; positions in a video are milliseconds.
create table job (
  n             integer primary key, -- the row of the job in the search index
  id            text    not null unique,
  owner         text    not null,
  idempotency   text,                -- null where the client gave no key
  video_id      text    not null,
  title         text    not null,
  options       text    not null,    -- JSON
  state         text    not null,
  reason        text,                -- JSON, or null
  seq           integer not null,
  enqueued      integer not null,
  run           integer not null,
  duration      integer not null,
  segments      integer not null,
  done          integer not null,
  engine        text    not null,
  language      text    not null,
  created       integer not null,
  updated       integer not null,
  transcribe_t  integer not null,
  done_at_start integer not null,
  finished      integer not null
) strict;
create unique index job_idempotency on job (owner, idempotency) where idempotency is not null;
create index job_list on job (owner, created desc, id desc);
create index job_state on job (owner, state);
create index job_not_enqueued on job (updated) where state = 'queued' and enqueued = 0;

-- The words of a segment are one JSON document: they are only ever written and read together.
create table segment (
  job_id text    not null,
  idx    integer not null,
  result text    not null,
  primary key (job_id, idx)
) strict, without rowid;

create table transcript (
  job_id  text    not null primary key,
  version integer not null,
  body    text    not null, -- JSON without the cues
  cues    text    not null  -- JSON; apart, because a search reads them for each job that it finds
) strict, without rowid;

create table video (
  id           text    not null primary key,
  owner        text    not null,
  name         text    not null,
  size         integer not null,
  state        text    not null,
  created      integer not null,
  touched      integer not null,
  object_key   text    not null,
  multipart_id text    not null,
  part_size    integer not null,
  fingerprint  text    not null
) strict, without rowid;
create index video_list on video (owner, created desc, id desc);
create index video_touched on video (state, touched);

-- One row a job, rowid = job.n. In cues, each line is one cue of the transcript, in order.
create virtual table search using fts5 (title, cues, tokenize = 'unicode61 remove_diacritics 2');
