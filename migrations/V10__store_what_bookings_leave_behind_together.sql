-- What most completions leave behind is a payment to wait for, or reminders. All of these are stored by two statements,
-- instead of seven for each. The functions keep their signatures: while a new release is rolled out, the previous one
-- uses them too.

-- What completing a claim brings beside the completion, in the same transaction: nothing if the lease has run out, or
-- if it was completed before (and the answer was lost).
CREATE OR REPLACE FUNCTION apply_effects(effects jsonb, at timestamptz) RETURNS void
-- The plans are made once, and a table that was small then may be large now.
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
DECLARE
    others jsonb;
    effect record;
    root   uuid;
    chain_subjects uuid[];
BEGIN
    WITH asked AS MATERIALIZED (
        SELECT e.nth, e.effect, i.chain AS root,
               coalesce(e.effect -> 'cancel' = '[]' AND e.effect -> 'fired' = 'null' AND e.effect -> 'rebook' = 'null',
                        false)
                   AND count(*) OVER (PARTITION BY i.chain) = 1 AS only_begins
        FROM jsonb_array_elements(effects) WITH ORDINALITY AS e (effect, nth)
        CROSS JOIN LATERAL (
            SELECT chain FROM inbox
            WHERE key = (e.effect ->> 'key')::uuid AND lease = (e.effect ->> 'lease')::integer
              AND completed_at IS NULL AND chain IS NOT NULL
            OFFSET 0    -- Looked up by its key, whatever the planner knew of the table when it was small.
        ) AS i
    ), paid AS (
        UPDATE chains
        SET payment = asked.effect #>> '{payment,state}',
            payment_basis = asked.effect #>> '{payment,basis}',
            payment_due_at = (asked.effect #>> '{payment,due_at}')::timestamptz
        FROM asked
        WHERE chains.subject = asked.root AND asked.only_begins AND asked.effect -> 'payment' <> 'null'
    ), timed AS (
        INSERT INTO timers (id, chain, kind, tenant, facility_id, doctor_id, address_id, booking_id,
                            due_at, fire_at, before_seconds, start_at, certain)
        SELECT new.id, asked.root, new.kind, new.tenant, new.facility_id, new.doctor_id, new.address_id, new.booking_id,
               new.due_at, new.due_at, new.before_seconds, new.start_at, new.certain
        FROM asked
        CROSS JOIN LATERAL jsonb_to_recordset(asked.effect -> 'set')
            AS new (id uuid, kind text, tenant text, facility_id text, doctor_id text, address_id text,
                    booking_id text, due_at timestamptz, before_seconds integer, start_at text, certain boolean)
        WHERE asked.only_begins
        ON CONFLICT (id) DO NOTHING
    )
    SELECT jsonb_agg(asked.effect ORDER BY asked.nth) INTO others FROM asked WHERE NOT asked.only_begins;
    IF others IS NULL THEN
        RETURN;
    END IF;

    -- The others one by one: each may undo what the one before has set.
    FOR effect IN
        SELECT * FROM jsonb_to_recordset(others)
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

-- Chains are locked in the order of `subject`, as by whoever claims in them: those that are changed here, and no others.
CREATE OR REPLACE FUNCTION close_with_effects(
    keys     uuid[],
    leases   integer[],
    closings integer[],
    back_in  double precision[],
    more     integer[],
    effects  jsonb,
    at       timestamptz
) RETURNS TABLE (key uuid, lease integer)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    changed uuid[];
BEGIN
    changed := ARRAY(
        SELECT i.chain
        FROM (
            SELECT q.key FROM unnest(keys, closings, more) AS q (key, closing, more) WHERE q.closing = 2 OR q.more <> 0
            UNION
            SELECT (e.effect ->> 'key')::uuid FROM jsonb_array_elements(effects) AS e (effect)
        ) AS q
        CROSS JOIN LATERAL (SELECT chain FROM inbox WHERE key = q.key OFFSET 0) AS i
        ORDER BY i.chain
    );
    -- Each looked up by itself: asked for all of them in their order, the planner may prefer to read the whole index.
    PERFORM FROM unnest(changed) AS q (subject)
    CROSS JOIN LATERAL (SELECT FROM chains c WHERE c.subject = q.subject FOR UPDATE OFFSET 0) AS locked;
    PERFORM apply_effects(effects, at);
    RETURN QUERY SELECT * FROM close_claims(keys, leases, closings, back_in, more, at);
END $$;
