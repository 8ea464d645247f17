-- Takes back what prepare_reader.sql says, for a statement that looks at everything, until the end of its transaction.
set local plan_cache_mode = auto;
set local enable_seqscan = on;
set local enable_bitmapscan = on;
set local enable_hashjoin = on;
set local enable_mergejoin = on
