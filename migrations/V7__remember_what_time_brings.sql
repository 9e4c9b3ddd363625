-- Timers: a payment to be looked at, a reminder to be sent. Durable, so that they outlive every process; claimed with
-- a lease, so that any process can fire them. Ids, times and states only: what an event says of a patient is asked
-- for again when it is due.
CREATE TABLE timers (
    id             uuid        PRIMARY KEY,
    -- A subject of its chain.
    chain          uuid        NOT NULL,
    kind           text        NOT NULL CHECK (kind IN ('payment', 'reminder')),
    tenant         text        NOT NULL,
    facility_id    text        NOT NULL,
    doctor_id      text        NOT NULL,
    address_id     text        NOT NULL,
    booking_id     text        NOT NULL,
    -- When it has to fire, and when it is tried next.
    due_at         timestamptz NOT NULL,
    fire_at        timestamptz NOT NULL,
    -- Of a payment: how often somebody looked; then the decision, written down before it is published.
    looks          integer     NOT NULL DEFAULT 0,
    outcome        text,
    basis          text,
    -- Of a reminder: how long before the start, the start as it was told, and whether there surely is a call.
    before_seconds integer,
    start_at       text,
    certain        boolean,
    holder         uuid,
    leased_until   timestamptz NOT NULL DEFAULT '-infinity'
);

CREATE INDEX timers_fire_at ON timers (tenant, fire_at);
CREATE INDEX timers_chain ON timers (chain);

-- Holds timers that are due. Rows that another process is taking are passed over. Each tenant's are taken for
-- themselves, so that a tenant whose timers pile up keeps no other's from being seen.
CREATE FUNCTION take_due(
    tenants     text[],
    at_most     bigint[],
    held_by     uuid,
    lease_for   interval,
    at          timestamptz
) RETURNS SETOF timers
-- The plans are made once, and a table that was small then may be large now.
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
DECLARE
    due uuid[];
BEGIN
    due := ARRAY(
        SELECT oldest.id
        FROM unnest(tenants, at_most) AS free (tenant, up_to)
        CROSS JOIN LATERAL (
            SELECT t.id FROM timers t
            WHERE t.tenant = free.tenant AND t.fire_at <= at AND t.leased_until < at
            ORDER BY t.fire_at
            LIMIT free.up_to
            FOR UPDATE SKIP LOCKED
        ) AS oldest
    );
    RETURN QUERY
    UPDATE timers SET holder = held_by, leased_until = at + lease_for
    WHERE timers.id = ANY (due)
    RETURNING timers.*;
END $$;

-- What completing a claim brings beside the completion, in the same transaction: nothing if the lease has run out, or
-- if it was completed before (and the answer was lost).
CREATE FUNCTION apply_effects(effects jsonb, at timestamptz) RETURNS void
-- The plans are made once, and a table that was small then may be large now.
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
DECLARE
    effect record;
    root   uuid;
    chain_subjects uuid[];
BEGIN
    FOR effect IN
        SELECT * FROM jsonb_to_recordset(effects)
            AS e (key uuid, lease integer, payment jsonb, cancel text[], fired uuid, rebook jsonb, set jsonb)
    LOOP
        SELECT i.chain INTO root FROM inbox i
        WHERE i.key = effect.key AND i.lease = effect.lease AND i.completed_at IS NULL;
        CONTINUE WHEN root IS NULL;
        IF effect.payment IS NOT NULL THEN
            UPDATE chains
            SET payment = effect.payment ->> 'state',
                payment_basis = effect.payment ->> 'basis',
                payment_due_at = (effect.payment ->> 'due_at')::timestamptz
            WHERE subject = root;
        END IF;
        chain_subjects := ARRAY(SELECT root UNION ALL SELECT subject FROM chains WHERE continues = root);
        DELETE FROM timers WHERE id = effect.fired;
        DELETE FROM timers WHERE chain = ANY (chain_subjects) AND kind = ANY (effect.cancel);
        UPDATE timers
        SET facility_id = new.facility_id, doctor_id = new.doctor_id,
            address_id = new.address_id, booking_id = new.booking_id
        FROM jsonb_to_record(effect.rebook)
            AS new (facility_id text, doctor_id text, address_id text, booking_id text)
        WHERE chain = ANY (chain_subjects) AND kind = 'payment' AND effect.rebook IS NOT NULL;
        INSERT INTO timers (id, chain, kind, tenant, facility_id, doctor_id, address_id, booking_id,
                            due_at, fire_at, before_seconds, start_at, certain)
        SELECT new.id, root, new.kind, new.tenant, new.facility_id, new.doctor_id, new.address_id, new.booking_id,
               new.due_at, new.due_at, new.before_seconds, new.start_at, new.certain
        FROM jsonb_to_recordset(effect.set)
            AS new (id uuid, kind text, tenant text, facility_id text, doctor_id text, address_id text,
                    booking_id text, due_at timestamptz, before_seconds integer, start_at text, certain boolean)
        ON CONFLICT (id) DO NOTHING;
    END LOOP;
END $$;

CREATE FUNCTION close_with_effects(
    keys     uuid[],
    leases   integer[],
    closings integer[],
    back_in  double precision[],
    more     integer[],
    effects  jsonb,
    at       timestamptz
) RETURNS TABLE (key uuid, lease integer) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM chains
    WHERE subject IN (
        SELECT i.chain FROM unnest(keys, closings) AS q (key, closing) JOIN inbox i USING (key) WHERE q.closing <> 1
    )
    ORDER BY subject
    FOR UPDATE;
    PERFORM apply_effects(effects, at);
    RETURN QUERY SELECT * FROM close_claims(keys, leases, closings, back_in, more, at);
END $$;
