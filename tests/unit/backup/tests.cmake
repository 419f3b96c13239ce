pinion_unit_test(backup/test_manifest.c LIBRARIES pinion_backup)
pinion_unit_test(backup/test_archive.c LIBRARIES pinion_backup failing_malloc)
pinion_unit_test(backup/test_backup.c LIBRARIES pinion_backup failing_malloc)
pinion_unit_test(backup/test_patrol.c LIBRARIES pinion_backup)
