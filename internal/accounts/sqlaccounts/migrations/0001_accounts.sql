-- Times are microseconds since 1970, 0 where there is none; binary values are base64. So the same statements, and the same
-- Go code around them, serve SQLite and PostgreSQL.

CREATE TABLE users (
  id            TEXT   PRIMARY KEY,
  email         TEXT   NOT NULL UNIQUE,
  password_hash TEXT   NOT NULL,
  created       BIGINT NOT NULL
);

CREATE TABLE sessions (
  id       TEXT   PRIMARY KEY,
  user_id  TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  current  TEXT   NOT NULL,
  previous TEXT   NOT NULL,
  seed     TEXT   NOT NULL,
  rotated  BIGINT NOT NULL,
  created  BIGINT NOT NULL,
  expires  BIGINT NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires);

CREATE TABLE signing_keys (
  id        TEXT    PRIMARY KEY,
  serial    INTEGER NOT NULL UNIQUE,
  seed      TEXT    NOT NULL,
  created   BIGINT  NOT NULL,
  activates BIGINT  NOT NULL
);
