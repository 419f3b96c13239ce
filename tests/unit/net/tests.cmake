pinion_unit_test(net/test_loop.c LIBRARIES pinion_net)
pinion_unit_test(net/test_address.c LIBRARIES pinion_net)
pinion_unit_test(net/test_threads.c LIBRARIES pinion_net)
