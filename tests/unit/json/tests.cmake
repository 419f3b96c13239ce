pinion_unit_test(json/test_reader.c LIBRARIES pinion_json)
pinion_unit_test(json/test_writer.c LIBRARIES pinion_json)
pinion_unit_test(json/test_conformance.c LIBRARIES pinion_json)
pinion_unit_test(json/test_tree.c LIBRARIES pinion_json failing_malloc)
