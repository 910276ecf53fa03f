"""Personal data: declared where it is stored; inventoried, erased, proven and exported from there."""
