-- Order. What concerns one booking (whatever it was moved to), one break, one service or one address is a
-- chain: its notifications are published one after another, in the order of their first claims.
CREATE TABLE chains (
    -- A digest of the tenant and the id of a booking, a break, a service or an address.
    subject       uuid        PRIMARY KEY,
    -- What its events carry as `partitionkey`.
    partition_key text        NOT NULL,
    -- A booking that came of a move: the chain of the first one, which counts for it.
    continues     uuid,
    -- The last sequence number given.
    last_sequence integer     NOT NULL DEFAULT 0,
    -- The keys that are claimed and not closed, first come first. Only the first may be published.
    open          uuid[]      NOT NULL DEFAULT '{}',
    -- The latest `created_at` seen: an earlier one after it was delivered out of order.
    latest        timestamptz,
    -- From then on no notification can come any more.
    keep_until    timestamptz NOT NULL,
    -- Of a visit that is paid through the marketplace: pending, paid, not_paid, refunded or charged_back; what that
    -- is based on; and until when it has to be paid.
    payment        text,
    payment_basis  text,
    payment_due_at timestamptz
)
-- Every row is updated when its notifications are closed; no index is touched by that.
WITH (fillfactor = 70);

CREATE INDEX chains_continues ON chains (continues) WHERE continues IS NOT NULL;
CREATE INDEX chains_keep_until ON chains (keep_until);

-- What is not finished is claimed again, in its order. (There was no release before this migration.)
DELETE FROM inbox WHERE completed_at IS NULL;

ALTER TABLE inbox
    -- Null in rows that were completed before there were chains.
    ADD COLUMN chain         uuid,
    -- Given with the first lease and kept by every repeat.
    ADD COLUMN sequence      integer,
    -- Where it is not the chain's: the chain was joined to another after the sequence was given.
    ADD COLUMN partition_key text,
    -- Dead-lettered: others do not wait for it. A replay waits for its turn, and is published with the
    -- sequence that it had.
    ADD COLUMN dead          boolean NOT NULL DEFAULT false;

-- In `inbox`, a row's `holder` and `leased_until` mean:
--   lease = 0            never granted: the process that registered it; it comes back to the queue by then
--   holder = zeros       given back: it comes back to the queue just then
--   holder = zeros, one  granted before, waits for another turn; it comes back to the queue by then
--   else                 the holder of the lease, and its end

CREATE TYPE claim_question AS (
    key           uuid,
    content       uuid,
    holder        uuid,
    subject       uuid,
    partition_key text,
    moves_to      uuid,         -- the new booking of a move
    begins        boolean,      -- the first notification of its subject
    follows       boolean,      -- its first notification may be at another process just now
    told_at       timestamptz,
    ends_at       timestamptz,  -- of the visit
    retried_at    timestamptz,  -- when the message was last put into a retry queue
    tries         boolean,      -- takes no place unless it gets the lease at once
    nth           bigint        -- the order of arrival
);

-- Makes two chains one, because a booking of the first was moved to one of the second. Both are locked.
CREATE FUNCTION join_chains(earlier uuid, later uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    root   chains;
    branch chains;
BEGIN
    SELECT r.* INTO root FROM chains c JOIN chains r ON r.subject = coalesce(c.continues, c.subject)
    WHERE c.subject = earlier;
    SELECT r.* INTO branch FROM chains c JOIN chains r ON r.subject = coalesce(c.continues, c.subject)
    WHERE c.subject = later;
    IF root.subject = branch.subject THEN
        RETURN;
    END IF;
    -- Who was given a number under the old name keeps both, for its repeats.
    UPDATE inbox SET partition_key = coalesce(inbox.partition_key, branch.partition_key)
    WHERE key = ANY (branch.open) AND sequence IS NOT NULL;
    UPDATE inbox SET chain = root.subject WHERE key = ANY (branch.open);
    UPDATE chains
    SET last_sequence = greatest(root.last_sequence, branch.last_sequence),
        latest = greatest(root.latest, branch.latest),
        keep_until = greatest(root.keep_until, branch.keep_until),
        payment = coalesce(root.payment, branch.payment),
        payment_basis = CASE WHEN root.payment IS NULL THEN branch.payment_basis ELSE root.payment_basis END,
        payment_due_at = CASE WHEN root.payment IS NULL THEN branch.payment_due_at ELSE root.payment_due_at END,
        open = ARRAY(
            SELECT o.key FROM unnest(root.open || branch.open) WITH ORDINALITY AS o (key, nth)
            JOIN inbox USING (key)
            ORDER BY inbox.sequence IS NULL, inbox.claimed_at, o.nth)
    WHERE subject = root.subject;
    UPDATE chains SET continues = root.subject, open = '{}'
    WHERE subject = branch.subject OR continues = branch.subject;
END $$;

-- Answers claims, all of them or none, in one round trip. A new key takes its place in its chain by the
-- order of arrival; a key gets a lease while it is the first of its chain.
--
-- Chains are locked in the order of `subject`, so that two processes cannot deadlock; a chain that is
-- joined to another just then is the exception, and the loser of that deadlock asks again.
CREATE FUNCTION claim_in_order(
    asked     claim_question[],
    process   uuid,
    lease_for interval,
    away_for  interval,     -- a message comes back from a retry queue after this at the latest
    patience  interval,     -- how long what follows waits for what begins
    overdue   interval,     -- a message that is away for longer is not coming
    retention interval,
    at        timestamptz
) RETURNS TABLE (
    nth bigint, lease integer, sequence integer, partition_key text,
    done boolean, conflict boolean, behind boolean, back_in double precision,
    late boolean, gap boolean,
    chain uuid, last_sequence integer, payment text, payment_basis text, payment_due_at timestamptz
)
-- The plans are made once, and a table that was small then may be large now.
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    waits  CONSTANT uuid := '00000000-0000-0000-0000-000000000001';
    fresh  claim_question[];    -- new keys, each once
    known  claim_question[];    -- the others, each once
    locked uuid[] := '{}';
    joined boolean;
    wanted uuid[];
    move   record;
    lost   record;
    lates  bigint[];
    gaps   bigint[] := '{}';
BEGIN
    SELECT array_agg(f.q) FILTER (WHERE NOT f.known), array_agg(f.q) FILTER (WHERE f.known)
    INTO fresh, known
    FROM (
        SELECT DISTINCT ON (q.key) q, i.key IS NOT NULL AS known
        FROM unnest(asked) AS q LEFT JOIN inbox i ON i.key = q.key
        ORDER BY q.key, q.nth
    ) AS f;

    -- Lock every chain that is to be changed. Who had to wait for one may find it joined to another.
    LOOP
        wanted := ARRAY(
            SELECT coalesce(c.continues, s.subject)
            FROM (
                SELECT q.subject FROM unnest(fresh) AS q
                UNION SELECT q.moves_to FROM unnest(fresh) AS q WHERE q.moves_to IS NOT NULL
            ) AS s LEFT JOIN chains c USING (subject)
            UNION
            SELECT coalesce(c.continues, i.chain)
            FROM unnest(known) AS q JOIN inbox i ON i.key = q.key LEFT JOIN chains c ON c.subject = i.chain
            WHERE i.completed_at IS NULL
            EXCEPT
            SELECT unnest(locked)
        );
        EXIT WHEN wanted = '{}';
        SELECT locked || array_agg(l.subject), bool_or(l.continues IS NOT NULL) INTO locked, joined
        FROM (
            SELECT subject, continues FROM chains WHERE subject = ANY (wanted) ORDER BY subject FOR UPDATE
        ) AS l;
        WITH made AS (
            INSERT INTO chains (subject, partition_key, keep_until)
            SELECT DISTINCT ON (n.subject) n.subject, n.partition_key, at + retention
            FROM (
                SELECT q.subject, q.partition_key FROM unnest(fresh) AS q
                UNION ALL
                SELECT q.moves_to, q.partition_key FROM unnest(fresh) AS q WHERE q.moves_to IS NOT NULL
                UNION ALL
                -- Cleaned away although something was open: cannot be, but must not end in a loop.
                SELECT i.chain, q.partition_key FROM unnest(known) AS q JOIN inbox i ON i.key = q.key
                WHERE i.completed_at IS NULL
            ) AS n
            WHERE NOT EXISTS (SELECT FROM chains c WHERE c.subject = n.subject)
            ORDER BY n.subject
            ON CONFLICT (subject) DO NOTHING
            RETURNING subject
        )
        SELECT locked || array_agg(subject) INTO locked FROM made;
        EXIT WHEN cardinality(locked) = cardinality(wanted) AND joined IS NOT TRUE;
    END LOOP;

    FOR move IN
        SELECT q.subject, q.moves_to FROM unnest(fresh) AS q WHERE q.moves_to IS NOT NULL ORDER BY q.nth
    LOOP
        PERFORM join_chains(move.subject, move.moves_to);
    END LOOP;

    -- New keys take their places. What begins a chain goes before what only followed and was registered
    -- by another process a moment ago; within a process, the order of arrival is what counts.
    WITH placed AS (
        SELECT q.*, c.subject AS chain, c.last_sequence, c.open,
               row_number() OVER arrival = 1 AS is_first,
               q.told_at < greatest(c.latest, max(q.told_at) OVER before) AS late,
               q.begins AND c.last_sequence = 0 AND c.open <> '{}' AND NOT EXISTS (
                   SELECT FROM inbox h
                   WHERE h.key = ANY (c.open) AND (h.lease > 0 OR h.holder = process)
               ) AS overtakes,
               least(coalesce(greatest(q.ends_at, at), at + interval '400 days'), at + interval '3 years')
                   + retention AS keep_until
        FROM unnest(fresh) AS q
        JOIN chains s ON s.subject = q.subject
        JOIN chains c ON c.subject = coalesce(s.continues, s.subject)
        WHERE NOT EXISTS (
            -- Registered by another process while we waited for the lock.
            SELECT FROM inbox i WHERE i.key = q.key
        )
        WINDOW arrival AS (PARTITION BY c.subject ORDER BY q.nth),
               before AS (PARTITION BY c.subject ORDER BY q.nth ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ), judged AS (
        SELECT *, is_first AND (overtakes OR open = '{}' AND (last_sequence > 0 OR NOT follows)) AS granted
        FROM placed
    ), decided AS (
        SELECT * FROM judged WHERE granted OR NOT tries
    ), registered AS (
        INSERT INTO inbox (key, content, lease, holder, leased_until, claimed_at, chain, sequence)
        SELECT key, content, granted::integer,
               CASE WHEN granted THEN holder ELSE process END,
               at + CASE WHEN granted THEN lease_for ELSE away_for END,
               at, chain,
               CASE WHEN granted THEN last_sequence + 1 END
        FROM decided
    ), counted AS (
        UPDATE chains
        SET last_sequence = chains.last_sequence + new.granted,
            open = new.before || chains.open || new.after,
            latest = greatest(chains.latest, new.latest),
            keep_until = CASE WHEN new.keep_until > chains.keep_until + interval '1 day'
                              THEN new.keep_until ELSE chains.keep_until END
        FROM (
            SELECT d.chain,
                   count(*) FILTER (WHERE d.granted)::integer AS granted,
                   coalesce(array_agg(d.key) FILTER (WHERE d.is_first AND d.overtakes), '{}') AS before,
                   coalesce(array_agg(d.key ORDER BY d.nth) FILTER (WHERE NOT (d.is_first AND d.overtakes)), '{}')
                       AS after,
                   max(d.told_at) AS latest,
                   max(d.keep_until) AS keep_until
            FROM decided d
            GROUP BY d.chain
        ) AS new
        WHERE chains.subject = new.chain
    )
    SELECT array_agg(d.nth) INTO lates FROM decided d WHERE d.late;

    IF known IS NOT NULL THEN
        -- The first of a chain that is not coming: its row was cleaned away, or its message would have been
        -- back before ours was put behind it in the queue.
        FOR lost IN
            SELECT DISTINCT ON (c.subject) c.subject, c.open[1] AS key, q.nth AS waiting
            FROM unnest(known) AS q
            JOIN inbox i ON i.key = q.key AND i.completed_at IS NULL AND NOT i.dead
            JOIN chains c ON c.subject = i.chain AND c.open[1] <> i.key
            LEFT JOIN inbox h ON h.key = c.open[1]
            WHERE h.key IS NULL OR h.leased_until + overdue < q.retried_at
            ORDER BY c.subject
        LOOP
            gaps := gaps || ARRAY(
                SELECT lost.waiting FROM inbox i
                WHERE i.key = lost.key AND i.sequence IS NOT NULL
            );
            UPDATE inbox SET dead = true
            WHERE key = lost.key AND sequence IS NOT NULL;
            DELETE FROM inbox WHERE key = lost.key AND sequence IS NULL;
            UPDATE chains SET open = open[2:] WHERE subject = lost.subject AND open[1] = lost.key;
        END LOOP;

        -- A replay waits for its turn like everybody else, in the chain that its own has become part of.
        WITH replayed AS (
            UPDATE inbox
            SET dead = false,
                content = q.content,
                chain = coalesce(c.continues, c.subject),
                partition_key = CASE WHEN c.continues IS NULL THEN inbox.partition_key
                                     ELSE coalesce(inbox.partition_key, c.partition_key) END
            FROM unnest(known) AS q, chains c
            WHERE inbox.key = q.key AND inbox.dead AND inbox.completed_at IS NULL AND c.subject = inbox.chain
            RETURNING inbox.key, inbox.chain, q.nth
        )
        UPDATE chains SET open = chains.open || back.keys
        FROM (SELECT chain, array_agg(key ORDER BY nth) AS keys FROM replayed GROUP BY chain) AS back
        WHERE chains.subject = back.chain;

        WITH granted AS (
            UPDATE inbox
            SET lease = inbox.lease + 1,
                holder = q.holder,
                leased_until = at + lease_for,
                sequence = coalesce(inbox.sequence, c.last_sequence + 1)
            FROM unnest(known) AS q, chains c
            WHERE inbox.key = q.key AND c.subject = inbox.chain AND inbox.completed_at IS NULL
              AND inbox.content = q.content AND c.open[1] = inbox.key
              AND (inbox.lease = 0 OR inbox.holder IN (q.holder, nobody, waits) OR inbox.leased_until < at)
              AND (c.last_sequence > 0 OR NOT q.follows OR inbox.claimed_at <= at - patience)
            RETURNING inbox.chain, inbox.sequence
        )
        UPDATE chains SET last_sequence = granted.sequence
        FROM granted
        WHERE chains.subject = granted.chain AND chains.last_sequence < granted.sequence;

        -- Who has to wait longer is still there.
        UPDATE inbox
        SET leased_until = at + away_for,
            holder = CASE WHEN inbox.lease = 0 THEN inbox.holder ELSE waits END
        FROM unnest(known) AS q
        WHERE inbox.key = q.key AND inbox.completed_at IS NULL
          AND (inbox.lease = 0 OR inbox.holder IN (nobody, waits) OR inbox.leased_until < at);
    END IF;

    RETURN QUERY
    SELECT q.nth,
           CASE WHEN i.holder = q.holder THEN i.lease END,
           i.sequence,
           coalesce(i.partition_key, c.partition_key),
           i.completed_at IS NOT NULL,
           i.content <> q.content,
           i.lease = 0 OR c.open[1] <> i.key,
           CASE WHEN h.holder = nobody THEN extract(epoch FROM h.leased_until - at)::double precision END,
           coalesce(q.nth = ANY (lates), false),
           q.nth = ANY (gaps),
           c.subject, c.last_sequence, c.payment, c.payment_basis, c.payment_due_at
    FROM unnest(asked) AS q
    LEFT JOIN inbox i ON i.key = q.key
    LEFT JOIN chains c ON c.subject = i.chain
    LEFT JOIN inbox h ON h.key = c.open[1] AND h.key <> i.key;
END $$;

-- Ends leases: 0 completes, 1 releases, 2 abandons. What is not returned had run out.
CREATE FUNCTION close_claims(
    keys     uuid[],
    leases   integer[],
    closings integer[],
    back_in  double precision[],    -- seconds until a released one comes back to the queue
    more     integer[],             -- sequences used by a completed one beside its own; -1: not even that
    at       timestamptz
) RETURNS TABLE (key uuid, lease integer)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM chains
    WHERE subject IN (
        SELECT i.chain FROM unnest(keys, closings) AS q (key, closing) JOIN inbox i USING (key) WHERE q.closing <> 1
    )
    ORDER BY subject
    FOR UPDATE;

    RETURN QUERY
    WITH asked AS (
        -- Asked again because the answer was lost, a completed one is not counted twice.
        -- Only the last sequence can be given back.
        SELECT q.*,
               CASE WHEN q.closing <> 0 OR i.completed_at IS NOT NULL THEN 0
                    WHEN q.more < 0 AND i.sequence <> c.last_sequence THEN 0
                    ELSE q.more END AS counts
        FROM unnest(keys, leases, closings, back_in, more) AS q (key, lease, closing, back_in, more)
        JOIN inbox i ON i.key = q.key AND i.lease = q.lease
        LEFT JOIN chains c ON c.subject = i.chain
    ), closed AS (
        UPDATE inbox
        SET completed_at = CASE WHEN q.closing = 0 THEN coalesce(inbox.completed_at, at) ELSE inbox.completed_at END,
            dead = inbox.dead OR q.closing = 2,
            sequence = CASE WHEN q.counts < 0 THEN NULL ELSE inbox.sequence END,
            holder = '00000000-0000-0000-0000-000000000000',
            leased_until = at + make_interval(secs => q.back_in)
        FROM asked AS q
        WHERE inbox.key = q.key AND inbox.lease = q.lease
        RETURNING inbox.key, inbox.lease, inbox.chain, q.closing, q.counts
    ), finished AS (
        UPDATE chains
        SET open = ARRAY(
                SELECT o.key FROM unnest(chains.open) WITH ORDINALITY AS o (key, nth)
                WHERE o.key <> ALL (f.keys) ORDER BY o.nth),
            last_sequence = chains.last_sequence + f.more
        FROM (
            SELECT chain, array_agg(key) AS keys, sum(counts)::integer AS more
            FROM closed WHERE closing <> 1 GROUP BY chain
        ) AS f
        WHERE chains.subject = f.chain
    )
    SELECT closed.key, closed.lease FROM closed;
END $$;

-- Sets aside what nobody can process, whoever holds its lease: those behind it go on. Whether it had a sequence.
CREATE FUNCTION set_aside(poison uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    had_sequence boolean;
BEGIN
    PERFORM FROM chains WHERE subject = (SELECT chain FROM inbox WHERE key = poison) FOR UPDATE;
    UPDATE inbox
    SET dead = true, lease = lease + 1, holder = '00000000-0000-0000-0000-000000000000', leased_until = now()
    WHERE key = poison AND completed_at IS NULL
    RETURNING sequence IS NOT NULL INTO had_sequence;
    UPDATE chains SET open = array_remove(open, poison)
    WHERE subject = (SELECT chain FROM inbox WHERE key = poison);
    DELETE FROM inbox WHERE key = poison AND sequence IS NULL;
    RETURN coalesce(had_sequence, false);
END $$;

-- The key of a message that is tried alone, once it is known: if the trial kills the process, those behind it must
-- not wait for it.
ALTER TABLE suspects ADD COLUMN key uuid;
