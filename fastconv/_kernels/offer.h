/* An extension module whose `offered` is a capsule of kernels. Included once, last, after FC_OFFER_LEVEL
 * (of which the module has its name), FC_OFFER_NAME of the capsule, and `offered` itself; FC_OFFER_FILL is
 * what fills it, if anything does. */
#include <Python.h>

#ifndef STRING
#define STRING_(x) #x
#define STRING(x) STRING_(x)
#endif
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

static int exec(PyObject *module)
{
#ifdef FC_OFFER_FILL
    FC_OFFER_FILL;
#endif
    PyObject *capsule = PyCapsule_New(&offered, FC_OFFER_NAME, NULL);
    if (!capsule) return -1;
    const int failed = PyModule_AddObjectRef(module, "offered", capsule);
    Py_DECREF(capsule);
    return failed;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_kernels_" STRING(FC_OFFER_LEVEL), .m_size = 0,
    .m_slots = slots,
};

PyMODINIT_FUNC PASTE(PyInit__kernels_, FC_OFFER_LEVEL)(void) { return PyModuleDef_Init(&definition); }
