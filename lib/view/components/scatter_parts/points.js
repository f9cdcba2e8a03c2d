// Points drawn by WebGL, or on a 2d canvas where there is no WebGL. Both renderers take columns (`xy`, `colour` and
// `rim` as RGBA bytes, `size` in px) and the `order` of the points, and draw the part of the plane that a view shows.

const RIM = 1; // px, the width of the outline

const VERTEX = `#version 300 es
in vec2 place; in vec4 colour; in vec4 rim; in float size;
uniform highp vec4 view; uniform mediump float ratio; out vec4 ink; out vec4 edge; out float width;
void main() {
  gl_Position = vec4((place - view.xy) * view.zw, 0.0, 1.0);
  width = size * ratio; gl_PointSize = width + 1.0; ink = colour; edge = rim;
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 ink; in vec4 edge; in float width; uniform float ratio; out vec4 shown;
void main() {
  float far = length(gl_PointCoord - 0.5) * (width + 1.0);
  float inner = width / 2.0 - ${RIM.toFixed(1)} * ratio;
  vec4 own = mix(ink, edge, smoothstep(inner - 0.5, inner + 0.5, far));
  float alpha = own.a * (1.0 - smoothstep(width / 2.0 - 0.5, width / 2.0 + 0.5, far));
  shown = vec4(own.rgb * alpha, alpha);
}`;

export function webglRenderer(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const attribute = (name, width, kind, normalised) => {
    const buffer = gl.createBuffer();
    const location = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, width, kind, normalised, 0, 0);
    return (values) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    };
  };
  const put = {
    xy: attribute("place", 2, gl.FLOAT, false),
    colour: attribute("colour", 4, gl.UNSIGNED_BYTE, true),
    rim: attribute("rim", 4, gl.UNSIGNED_BYTE, true),
    size: attribute("size", 1, gl.UNSIGNED_BYTE, false),
  };
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  return {
    put: (name, values) => put[name](values),
    order: (order) => gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, order, gl.DYNAMIC_DRAW),
    draw: ({ x, y, scale }, { width, height }, ratio, count) => {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform4f(gl.getUniformLocation(program, "view"), x, y, (2 * scale) / width, (2 * scale) / height);
      gl.uniform1f(gl.getUniformLocation(program, "ratio"), ratio);
      gl.drawElements(gl.POINTS, count, gl.UNSIGNED_INT, 0);
    },
  };
}

// Slower: for browsers without WebGL.
export function canvasRenderer(canvas) {
  const pen = canvas.getContext("2d");
  const columns = {};
  let drawingOrder = new Uint32Array();
  const css = ([red, green, blue, alpha]) => `rgba(${red},${green},${blue},${alpha / 255})`;
  return {
    put: (name, values) => {
      columns[name] = values;
    },
    order: (order) => {
      drawingOrder = order;
    },
    draw: ({ x, y, scale }, { width, height }, ratio, count) => {
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width, height);
      for (const i of drawingOrder.subarray(0, count)) {
        pen.fillStyle = css(columns.colour.subarray(4 * i, 4 * i + 4));
        pen.beginPath();
        pen.arc(
          (columns.xy[2 * i] - x) * scale + width / 2,
          height / 2 - (columns.xy[2 * i + 1] - y) * scale,
          (columns.size[i] - RIM) / 2,
          0,
          7,
        );
        pen.fill();
        pen.lineWidth = RIM;
        pen.strokeStyle = css(columns.rim.subarray(4 * i, 4 * i + 4));
        pen.stroke();
      }
    },
  };
}
