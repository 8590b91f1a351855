import { useData, withBase } from 'vitepress';
import { defineComponent, h, onMounted, ref, watch } from 'vue';

interface Mermaid {
  initialize(options: object): void;
  render(id: string, code: string): Promise<{ readonly svg: string }>;
}

declare global {
  interface Window {
    mermaid?: Mermaid;
  }
}

let loading: Promise<Mermaid> | undefined;
let count = 0;
let queue: Promise<unknown> = Promise.resolve();

/** Loads the renderer when the first page with a diagram is shown. */
function load(): Promise<Mermaid> {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = withBase('/mermaid.tiny.js');
    script.onload = () => (window.mermaid === undefined ? reject(new Error('no mermaid')) : resolve(window.mermaid));
    script.onerror = () => reject(new Error('mermaid.tiny.js cannot be loaded'));
    document.head.append(script);
  });
  return loading;
}

const themeOf = (dark: boolean, text: string, page: string, box: string, group: string, line: string) => ({
  darkMode: dark,
  background: page,
  mainBkg: box,
  primaryColor: box,
  primaryBorderColor: line,
  primaryTextColor: text,
  secondaryColor: group,
  secondaryTextColor: text,
  tertiaryColor: group,
  tertiaryTextColor: text,
  tertiaryBorderColor: line,
  textColor: text,
  titleColor: text,
  lineColor: line,
  edgeLabelBackground: page,
  clusterBkg: group,
  clusterBorder: line,
  noteBkgColor: group,
  noteTextColor: text,
  noteBorderColor: line,
  taskTextColor: text,
  taskTextDarkColor: text,
  taskTextOutsideColor: text,
  taskBkgColor: box,
  sectionBkgColor: group,
  sectionBkgColor2: group,
  altSectionBkgColor: page,
});
const LIGHT = themeOf(false, '#2b2b30', '#ffffff', '#ffffff', '#f3f3f5', '#67676c');
const DARK = themeOf(true, '#e8e8ea', '#1b1b1f', '#26262c', '#202127', '#9a9aa3');

/** A drawing fills its column but never shrinks to less than two thirds: then it scrolls, and its text can be read. */
const readable = (svg: string) =>
  svg.replace(/max-width: ([\d.]+)px/, (all, width) => `${all}; min-width: ${Math.round(Number(width) * 0.66)}px`);

/** A Mermaid diagram. Without scripts the page shows its text. */
export default defineComponent({
  props: { code: { type: String, required: true } },
  setup({ code }) {
    const { isDark } = useData();
    const text = decodeURIComponent(code);
    const svg = ref('');
    const draw = async () => {
      const mermaid = await load();
      mermaid.initialize({
        startOnLoad: false,
        theme: 'base',
        themeVariables: isDark.value ? DARK : LIGHT,
        fontFamily: 'inherit',
        securityLevel: 'strict',
      });
      count += 1;
      const drawn = await mermaid.render(`diagram-${count}`, text);
      svg.value = readable(drawn.svg);
    };
    // One after the other: `initialize` sets the theme of all that are being drawn.
    const drawNext = () => {
      queue = queue.then(draw);
    };
    onMounted(drawNext);
    watch(isDark, drawNext);
    return () =>
      svg.value === ''
        ? h('pre', { class: 'diagram-text' }, text)
        : h('div', { class: 'diagram', role: 'img', 'aria-label': 'Diagram', tabindex: 0, innerHTML: svg.value });
  },
});
