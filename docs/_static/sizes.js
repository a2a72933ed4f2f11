/* The calculator of the page on output sizes. tests/test_documentation.py reads the formulas: one a line. */
const formulas = {};
formulas.convolution = (L, k, s, lo, hi, d, o) => Math.floor((L + lo + hi - d * (k - 1) - 1) / s) + 1;
formulas.most = (L, k, s, lo, hi, d, o) => Math.floor((L + lo - 1) / s) + 1;
formulas.ceiling = (L, k, s, lo, hi, d, o) => Math.max(formulas.convolution(L, k, s, lo, hi, d, o), Math.min(Math.ceil((L + lo + hi - d * (k - 1) - 1) / s) + 1, formulas.most(L, k, s, lo, hi, d, o)));
formulas.transposed = (L, k, s, lo, hi, d, o) => s * (L - 1) + d * (k - 1) + 1 - lo - hi + o;

/* Why there is no output, or nothing. */
function refusal(operation, values, size) {
  const [L, k, s, lo, hi, d, o] = values;
  if (!values.every((value) => Number.isInteger(value) && value >= 0) || L * k * s * d === 0)
    return "whole numbers, please: length, kernel, stride and dilation from 1 on, padding from 0";
  if (operation === "transposed") {
    if (o >= Math.max(s, d)) return "output padding must be less than the stride or the dilation";
    return size > 0 ? "" : "no output: the padding takes all of it";
  }
  if (operation === "ceiling" && Math.max(lo, hi) > d * (k - 1))
    return "the padding of a pooling must be shorter than the window";
  return size > 0 ? "" : "no output: the kernel does not fit";
}

function showSize() {
  const form = document.getElementById("sizes");
  const names = ["L", "k", "s", "lo", "hi", "d", "o"];
  const values = names.map((name) => Number(form.elements[name].value));
  const operation = form.elements.operation.value;
  const size = formulas[operation](...values);
  if (operation !== "transposed") values[6] = 0;
  form.elements.result.textContent = refusal(operation, values, size) || `output ${size}`;
  form.elements.o.disabled = operation !== "transposed";
}

document.getElementById("sizes").addEventListener("input", showSize);
showSize();
