CREATE TABLE orders (
  id text PRIMARY KEY,
  owner text NOT NULL REFERENCES accounts,
  price integer NOT NULL,
  status text NOT NULL CHECK (status IN ('paid', 'refunded'))
);
