-- Messages that have died with several consumers are tried alone; this remembers the trials across the
-- process's death. `fingerprint` is a digest of the body.
CREATE TABLE suspects (
    fingerprint uuid        PRIMARY KEY,
    trials      integer     NOT NULL,
    -- The last one: asked again because the answer was lost, it is still the same trial.
    trial       uuid        NOT NULL,
    tried_at    timestamptz NOT NULL DEFAULT now()
);
