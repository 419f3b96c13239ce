pinion_unit_test(release/test_active.c LIBRARIES pinion_release)
pinion_unit_test(release/test_verifier.c LIBRARIES pinion_release)
pinion_unit_test(release/test_deploy.c LIBRARIES pinion_release)
pinion_unit_test(release/test_usage.c LIBRARIES pinion_release)
