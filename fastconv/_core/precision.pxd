cpdef object precision_in_force()
