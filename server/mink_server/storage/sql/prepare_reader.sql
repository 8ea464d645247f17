-- Said once on a connection for reading. All statements there go through an index, and their plans are the same for all parameters:
-- to plan a page anew costs more than to read it, and a plan made while the log was small must still be right when it is large.
set plan_cache_mode = force_generic_plan;
set enable_seqscan = off;
set enable_bitmapscan = off;
set enable_hashjoin = off;
set enable_mergejoin = off;
set jit = off
