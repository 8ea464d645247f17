-- A commit that writes to the write-ahead log, and nothing else.
select pg_logical_emit_message(true, 'mink.diagnose', '')
