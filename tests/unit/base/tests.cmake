pinion_unit_test(base/test_text.c LIBRARIES pinion_base)
pinion_unit_test(base/test_containers.c LIBRARIES pinion_base)
pinion_unit_test(base/test_random.c LIBRARIES pinion_base)
pinion_unit_test(base/test_fiber.c LIBRARIES pinion_base)
