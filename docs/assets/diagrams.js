// Draws the Mermaid diagrams of a page with the script in the same folder; a page without diagrams loads nothing.
const diagrams = document.querySelectorAll("pre.diagram")
const mermaidScript = new URL("mermaid.min.js", document.currentScript.src)

const drawDiagrams = () => {
  const dark = document.body.dataset.mdColorScheme === "slate"
  mermaid.initialize({ startOnLoad: false, theme: dark ? "dark" : "neutral" })
  for (const diagram of diagrams) {
    diagram.dataset.source ??= diagram.textContent
    diagram.removeAttribute("data-processed")
    diagram.textContent = diagram.dataset.source
  }
  return mermaid.run({ nodes: diagrams })
}

if (diagrams.length > 0) {
  const script = document.createElement("script")
  script.src = mermaidScript
  script.onload = async () => {
    await drawDiagrams()
    new MutationObserver(drawDiagrams).observe(document.body, { attributeFilter: ["data-md-color-scheme"] })
  }
  document.head.append(script)
}
