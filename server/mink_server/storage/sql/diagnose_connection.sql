-- Which server answers. Its address is null on a Unix socket.
select current_setting('server_version') as version, current_setting('server_version_num')::int as version_number,
    pg_is_in_recovery() as standby, current_setting('transaction_read_only') = 'on' as read_only,
    host(inet_server_addr()) as address, inet_server_port() as port, current_database()::text as database
