-- What the API last told of each address, for all pods. No personal data: the flags, post code and city of a
-- clinic's address. Without the last two an event would differ by the pod that made it.
CREATE TABLE address_flags (
    tenant        text        NOT NULL,
    address_id    text        NOT NULL,
    online_only   boolean,
    visit_payment boolean,
    post_code     text,
    city          text,
    -- When the API answered, by the clock of the pod that asked: told in events, never compared.
    as_of         timestamptz,
    -- The same by this database's clock, from which every pod tells the age. Null: it never answered.
    fetched_at    timestamptz,
    -- Moments (see below) at which the answer was asked for and at which the last change was told. The flags
    -- are good if they were asked for after the change.
    fetched       bigint      NOT NULL DEFAULT 0,
    dropped       bigint      NOT NULL DEFAULT 0,
    written_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, address_id)
)
-- Rows are written over again and again, and no index is touched by that: room on the page keeps it local.
WITH (fillfactor = 70);

-- Orders questions and changes of all pods. Clocks could not: they are set back, and two things happen at once.
CREATE SEQUENCE address_flags_moments;

-- Who asks the API for a doctor's addresses at the moment. A holder that died loses the lease by itself.
CREATE TABLE address_fetches (
    tenant       text        NOT NULL,
    facility_id  text        NOT NULL,
    doctor_id    text        NOT NULL,
    -- Grows with every taking and giving back: the lease is taken only by who has seen how the last one ended.
    round        bigint      NOT NULL,
    leased_until timestamptz NOT NULL,
    PRIMARY KEY (tenant, facility_id, doctor_id)
)
WITH (fillfactor = 70);
