CREATE TABLE accounts (
  owner text PRIMARY KEY,
  balance integer NOT NULL CHECK (balance >= 0)
);
CREATE TABLE entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner text NOT NULL REFERENCES accounts,
  order_id text NOT NULL,
  amount integer NOT NULL
);
