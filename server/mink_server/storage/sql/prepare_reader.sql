-- Said once on a connection for reading. All statements there go through an index, and their plans are the same for all parameters:
-- to plan a page anew costs more than to read it, and a plan made while the log was small must still be right when it is large.
set plan_cache_mode = force_generic_plan;
set enable_seqscan = off;
set enable_bitmapscan = off;
set enable_hashjoin = off;
set enable_mergejoin = off;
set jit = off;
-- The C library gives memory back to the system after each page and fetches it again, until it has once freed a piece larger than those
-- in use: half of the time of reading a page.
select length(repeat('x', 4194304))
