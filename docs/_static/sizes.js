/* The calculator of the page on output sizes. tests/test_documentation.py reads the formulas: one a line. */
const formulas = {};
formulas.convolution = (L, k, s, lo, hi, d, o) => Math.floor((L + lo + hi - d * (k - 1) - 1) / s) + 1;
formulas.most = (L, k, s, lo, hi, d, o) => Math.floor((L + lo - 1) / s) + 1;
formulas.ceiling = (L, k, s, lo, hi, d, o) => Math.max(formulas.convolution(L, k, s, lo, hi, d, o), Math.min(Math.ceil((L + lo + hi - d * (k - 1) - 1) / s) + 1, formulas.most(L, k, s, lo, hi, d, o)));
formulas.transposed = (L, k, s, lo, hi, d, o) => s * (L - 1) + d * (k - 1) + 1 - lo - hi + o;

function showSize() {
  const form = document.getElementById("sizes");
  const names = ["L", "k", "s", "lo", "hi", "d", "o"];
  const values = names.map((name) => Number(form.elements[name].value));
  const operation = form.elements.operation.value;
  const size = formulas[operation](...values);
  const given = values.every((value) => Number.isInteger(value) && value >= 0) && values[0] * values[1] * values[2] * values[5] > 0;
  const fits = given && size > 0;
  form.elements.result.textContent = fits ? `output ${size}` : "no output: the kernel does not fit";
  form.elements.o.disabled = operation !== "transposed";
}

document.getElementById("sizes").addEventListener("input", showSize);
showSize();
