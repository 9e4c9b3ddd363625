-- The inbox: one row for each idempotency key. No personal data: `key` and `content` are digests.
CREATE TABLE inbox (
    key          uuid        PRIMARY KEY,
    content      uuid        NOT NULL,
    -- Fencing number: grows with every claim, so that a holder whose lease ran out cannot close.
    lease        integer     NOT NULL,
    -- Who asked: a claim whose answer was lost is answered again instead of waiting for its own lease.
    holder       uuid        NOT NULL,
    leased_until timestamptz NOT NULL,
    claimed_at   timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
)
-- Every row is updated once, when it is completed: room on its page keeps that update local.
WITH (fillfactor = 70);

-- For removing what is past its retention. On a column that never changes after the insert, so that
-- completing a row touches no index.
CREATE INDEX inbox_claimed_at ON inbox (claimed_at);
