-- What is left of the requests that each tenant's API allows within a window of time, for all pods: each takes a few at a
-- time. Who takes reads the row, and writes it only if `version` is still the same.
CREATE TABLE api_quotas (
    tenant   text             PRIMARY KEY,
    version  bigint           NOT NULL,
    -- Requests within the window, and those that no pod has taken yet.
    quota    bigint           NOT NULL,
    unspent  bigint           NOT NULL,
    -- As the API tells it.
    ends_at  timestamptz      NOT NULL,
    -- How many may be taken at once, and since when: spending is spread over the window.
    saved    double precision NOT NULL,
    saved_at timestamptz      NOT NULL
)
WITH (fillfactor = 50);
