// Gives the link to Home, which Streamlit draws without an address, that of the app's root: relative, so that it holds
// under a base path, too. It is for opening in a new tab and copying; a click goes through Streamlit.

export default function homeLink({ data }) {
  const complete = () => {
    for (const link of document.querySelectorAll(`.st-key-${data.container} a`)) {
      const address = link.getAttribute("href") ?? "";
      if (address === "" || address.startsWith("?")) link.setAttribute("href", `./${address}`);
    }
  };
  complete();
  // The link is drawn after this component, and anew when its choices change.
  const observer = new MutationObserver(complete);
  const bar = document.querySelector(".st-key-topbar") ?? document.body;
  observer.observe(bar, { childList: true, subtree: true, attributes: true, attributeFilter: ["href"] });
  return () => observer.disconnect();
}
