pinion_unit_test(contract/test_type.c LIBRARIES pinion_contract)
pinion_unit_test(contract/test_check.c LIBRARIES pinion_contract)
pinion_unit_test(contract/test_offence.c LIBRARIES pinion_contract)
pinion_unit_test(contract/test_capability.c LIBRARIES pinion_contract)
