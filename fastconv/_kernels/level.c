/* One instruction set's kernels as an extension module: `table` is a capsule holding the
 * fc_table. Built once per level with FC_LEVEL set; dispatch.pyx imports exactly one. */
#include <Python.h>

#include "table.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

void fc_fill_gemm(fc_table *);
void fc_fill_dwconv(fc_table *);
void fc_fill_dwconv_plane(fc_table *);
void fc_fill_winograd(fc_table *);
void fc_fill_layout(fc_table *);
void fc_fill_rows(fc_table *);
void fc_fill_pool_2x2_3x3(fc_table *);
void fc_fill_pools(fc_table *);
void fc_fill_filters(fc_table *);
void fc_fill_integers(fc_table *);
void fc_fill_requantize(fc_table *);

static fc_table table;

static int exec(PyObject *module)
{
    table.name = STRING(FC_LEVEL);
    fc_fill_gemm(&table);
    fc_fill_dwconv(&table);
    fc_fill_dwconv_plane(&table);
    fc_fill_winograd(&table);
    fc_fill_layout(&table);
    fc_fill_rows(&table);
    fc_fill_pool_2x2_3x3(&table);
    fc_fill_pools(&table);
    fc_fill_filters(&table);
    fc_fill_integers(&table);
    fc_fill_requantize(&table);
    PyObject *capsule = PyCapsule_New(&table, "fastconv.kernels", NULL);
    if (!capsule) return -1;
    const int failed = PyModule_AddObjectRef(module, "table", capsule);
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
    PyModuleDef_HEAD_INIT, .m_name = "_kernels_" STRING(FC_LEVEL), .m_size = 0, .m_slots = slots,
};

PyMODINIT_FUNC PASTE(PyInit__kernels_, FC_LEVEL)(void) { return PyModuleDef_Init(&definition); }
