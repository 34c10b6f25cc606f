CREATE TABLE IF NOT EXISTS running (area text PRIMARY KEY, n int NOT NULL);
CREATE TABLE IF NOT EXISTS effect (report_id uuid NOT NULL, area text NOT NULL, n int NOT NULL);
