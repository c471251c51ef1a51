-- A run's record. ARGV: id.
return record(ARGV[2])
