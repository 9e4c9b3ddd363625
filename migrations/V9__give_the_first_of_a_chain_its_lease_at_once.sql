-- Most notifications are the first of a chain that nobody knows yet. For them nothing has to be decided, and two rows
-- are written once; completing one touches its own row only. The functions keep their signatures: while a new release
-- is rolled out, the previous one uses them too.

-- Gives a lease to each key that is new and the first of its chain, and tells which were completed before. About the
-- others nothing is said: they have to be claimed in their order. No subject may be asked for twice.
CREATE FUNCTION claim_first(
    keys           uuid[],
    contents       uuid[],
    holders        uuid[],
    subjects       uuid[],
    partition_keys text[],
    told_at        timestamptz[],
    ends_at        timestamptz[],   -- of the visits
    lease_for      interval,
    retention      interval,
    at             timestamptz
) RETURNS TABLE (key uuid, done boolean, conflict boolean)
-- The plans are made once, and a table that was small then may be large now.
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT q.*, i.key IS NOT NULL AS known, i.completed_at IS NOT NULL AS done, i.content <> q.content AS conflict
        FROM unnest(keys, contents, holders, subjects, partition_keys, told_at, ends_at)
            AS q (key, content, holder, subject, partition_key, told_at, ends_at)
        LEFT JOIN inbox i ON i.key = q.key
    ), made AS (
        -- In the order of `subject`, so that two processes cannot deadlock.
        INSERT INTO chains (subject, partition_key, last_sequence, open, latest, keep_until)
        SELECT q.subject, q.partition_key, 1, ARRAY[q.key], q.told_at,
               least(coalesce(greatest(q.ends_at, at), at + interval '400 days'), at + interval '3 years') + retention
        FROM asked AS q
        WHERE NOT q.known
        ORDER BY q.subject
        ON CONFLICT (subject) DO NOTHING
        RETURNING subject
    ), registered AS (
        INSERT INTO inbox (key, content, lease, holder, leased_until, claimed_at, chain, sequence)
        SELECT q.key, q.content, 1, q.holder, at + lease_for, at, q.subject, 1
        FROM asked AS q JOIN made ON made.subject = q.subject
        RETURNING key
    )
    SELECT key, false, false FROM registered
    UNION ALL
    SELECT key, true, conflict FROM asked WHERE done;
END $$;

-- Answers claims, all of them or none, in one round trip. A new key takes its place in its chain by the
-- order of arrival; a key gets a lease while it is the first of its chain.
--
-- Chains are locked in the order of `subject`, so that two processes cannot deadlock; a chain that is
-- joined to another just then is the exception, and the loser of that deadlock asks again.
CREATE OR REPLACE FUNCTION claim_in_order(
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

    -- What was completed meanwhile does not say so to its chain, nor does what was cleaned away.
    UPDATE chains
    SET open = ARRAY(
        SELECT o.key FROM unnest(chains.open) WITH ORDINALITY AS o (key, nth)
        JOIN inbox i ON i.key = o.key AND i.completed_at IS NULL
        ORDER BY o.nth)
    WHERE subject = ANY (locked) AND EXISTS (
        SELECT FROM unnest(chains.open) AS o (key) LEFT JOIN inbox i USING (key)
        WHERE i.key IS NULL OR i.completed_at IS NOT NULL
    );

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
CREATE OR REPLACE FUNCTION close_claims(
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
    -- Nearly all: the chain learns of it when somebody claims in it next.
    RETURN QUERY
    UPDATE inbox
    SET completed_at = CASE WHEN q.closing = 0 THEN coalesce(inbox.completed_at, at) ELSE inbox.completed_at END,
        holder = '00000000-0000-0000-0000-000000000000',
        leased_until = at + make_interval(secs => q.back_in)
    FROM unnest(keys, leases, closings, back_in, more) AS q (key, lease, closing, back_in, more)
    WHERE inbox.key = q.key AND inbox.lease = q.lease AND (q.closing = 1 OR q.closing = 0 AND q.more = 0)
    RETURNING inbox.key, inbox.lease;
    IF 2 <> ALL (closings) AND 0 = ALL (more) THEN
        RETURN;
    END IF;

    PERFORM FROM chains
    WHERE subject IN (
        SELECT i.chain
        FROM unnest(keys, closings, more) AS q (key, closing, more) JOIN inbox i USING (key)
        WHERE q.closing = 2 OR q.more <> 0
    )
    ORDER BY subject
    FOR UPDATE;

    RETURN QUERY
    WITH asked AS (
        -- Asked again because the answer was lost, a completed one is not counted twice.
        -- Only the last sequence can be given back.
        SELECT q.*,
               CASE WHEN q.closing = 2 OR i.completed_at IS NOT NULL THEN 0
                    WHEN q.more < 0 AND i.sequence <> c.last_sequence THEN 0
                    ELSE q.more END AS counts
        FROM unnest(keys, leases, closings, more) AS q (key, lease, closing, more)
        JOIN inbox i ON i.key = q.key AND i.lease = q.lease
        LEFT JOIN chains c ON c.subject = i.chain
        WHERE q.closing = 2 OR q.more <> 0
    ), closed AS (
        UPDATE inbox
        SET completed_at = CASE WHEN q.closing = 0 THEN coalesce(inbox.completed_at, at) ELSE inbox.completed_at END,
            dead = inbox.dead OR q.closing = 2,
            sequence = CASE WHEN q.counts < 0 THEN NULL ELSE inbox.sequence END,
            holder = '00000000-0000-0000-0000-000000000000',
            leased_until = at
        FROM asked AS q
        WHERE inbox.key = q.key AND inbox.lease = q.lease
        RETURNING inbox.key, inbox.lease, inbox.chain, q.counts
    ), finished AS (
        UPDATE chains
        SET open = ARRAY(
                SELECT o.key FROM unnest(chains.open) WITH ORDINALITY AS o (key, nth)
                WHERE o.key <> ALL (f.keys) ORDER BY o.nth),
            last_sequence = chains.last_sequence + f.more
        FROM (SELECT chain, array_agg(key) AS keys, sum(counts)::integer AS more FROM closed GROUP BY chain) AS f
        WHERE chains.subject = f.chain
    )
    SELECT closed.key, closed.lease FROM closed;
END $$;
